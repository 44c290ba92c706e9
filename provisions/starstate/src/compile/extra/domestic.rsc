# Fetches the list of domestic addresses page by page. The new list is put together beside the old one and takes its place at the
# end, unless it is poorer than the old one and incomplete. Entries of others on the list stay.

:local live "DOMAddList"
:local fresh "DOMAddList-new"
:local stale "DOMAddList-old"
:local mark "DomesticIPUpdate"
:local url {{url}}
:local holder {{holder}}
:local usual [:tonum {{usual}}]
:local least [:tonum {{least}}]
:local size 1000
:local most 50

:if ([:len [/system/script/job/find where script~"^DomesticIPUpdate"]] > 1) do={
  :error "domestic addresses: an update is running already"
}

{{trust}}

:local from ""
:if (([:len $holder] > 0) && ([:len [/ip/address/find where address~("^" . $holder . "/")]] > 0)) do={ :set from $holder }

# Gives a page as text, or nothing.
:local load do={
  :local page
  :local attempt 0
  :while (($attempt < 10) && ([:typeof $page] != "str")) do={
    :set attempt ($attempt + 1)
    :do {
      :if ([:len $from] > 0) do={
        :set page ([/tool/fetch url=$at src-address=$from check-certificate=$check output=user as-value]->"data")
      } else={
        :set page ([/tool/fetch url=$at check-certificate=$check output=user as-value]->"data")
      }
    } on-error={
      :if ($attempt < 10) do={ :delay (5 + ($attempt / 2)) }
    }
  }
  :return $page
}

# Puts the addresses of a page on a list; gives how many they were.
:local keep do={
  :local count 0
  :local rest $page
  :while ([:len $rest] > 0) do={
    :local end [:find $rest "\n"]
    :if ([:typeof $end] != "num") do={ :set end [:len $rest] }
    :local line [:pick $rest 0 $end]
    :set rest [:pick $rest ($end + 1) [:len $rest]]
    :while ([:tostr [:pick $line 0 1]] ~ "^[ \t\r]") do={ :set line [:pick $line 1 [:len $line]] }
    :if ([:len $line] > 0) do={
      :while ([:tostr [:pick $line ([:len $line] - 1) [:len $line]]] ~ "^[ \t\r]") do={
        :set line [:pick $line 0 ([:len $line] - 1)]
      }
    }
    # Comments are no addresses; and nothing shorter than /8 is a network of one country.
    :if ($line ~ "^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+(/([89]|[12][0-9]|3[0-2])){0,1}\$") do={
      :local address $line
      :local slash [:find $line "/"]
      :if ([:typeof $slash] = "num") do={ :set address [:pick $line 0 $slash] }
      :if ([:typeof [:toip $address]] = "ip") do={
        :do {
          /ip/firewall/address-list/add list=$target address=$line comment=$mark
          :set count ($count + 1)
          # A moment for everything else after each batch.
          :if (($count % 50) = 0) do={ :delay 20ms }
        } on-error={}
      }
    }
  }
  :return $count
}

# What an update left that did not come to its end.
:if ([:len [/ip/firewall/address-list/find where list=$live comment=$mark]] = 0) do={
  :foreach entry in=[/ip/firewall/address-list/find where list=$stale] do={
    :do { /ip/firewall/address-list/set $entry list=$live } on-error={}
  }
}
/ip/firewall/address-list/remove [find where list=$stale]
/ip/firewall/address-list/remove [find where list=$fresh]

:local total 0
:local failed ({})
:local number 0
:local more true
:while ($more && ($number < $most)) do={
  :local offset ($number * $size)
  :local page [$load at=($url . $offset) from=$from check=$check]
  :if ([:typeof $page] = "str") do={
    :if ([:len $page] < 100) do={
      :set more false
    } else={
      :set total ($total + [$keep page=$page target=$fresh mark=$mark])
    }
  } else={
    :set failed ($failed , $offset)
    # When not even the first page comes, nobody is there.
    :if ($number = 0) do={ :set more false }
  }
  :set number ($number + 1)
}
:for round from=1 to=3 do={
  :local again $failed
  :set failed ({})
  :foreach offset in=$again do={
    :local page [$load at=($url . $offset) from=$from check=$check]
    :if ([:typeof $page] = "str") do={
      :set total ($total + [$keep page=$page target=$fresh mark=$mark])
    } else={
      :set failed ($failed , $offset)
    }
  }
}

:local before [:len [/ip/firewall/address-list/find where list=$live comment=$mark]]
:if (($total < $least) && ($total <= $before)) do={
  /ip/firewall/address-list/remove [find where list=$fresh]
  :error ("domestic addresses: only " . $total . " came, the " . $before . " that are there stay")
}
:if ($before > 0) do={ /ip/firewall/address-list/set [find where list=$live comment=$mark] list=$stale }
:do {
  /ip/firewall/address-list/set [find where list=$fresh] list=$live
} on-error={
  # Somebody else has put one of them on the list.
  :foreach entry in=[/ip/firewall/address-list/find where list=$fresh] do={
    :do { /ip/firewall/address-list/set $entry list=$live } on-error={ /ip/firewall/address-list/remove $entry }
  }
}
/ip/firewall/address-list/remove [find where list=$stale]

:local summary ("domestic addresses: " . $total . " entries, " . [:len $failed] . " pages missing")
:if ($total < $least) do={
  :log error $summary
} else={
  :if ($total < $usual) do={ :log warning $summary } else={ :log info $summary }
}
