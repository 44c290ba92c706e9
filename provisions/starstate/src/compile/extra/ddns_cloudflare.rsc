# Tells Cloudflare, which wants the address itself and the ids of zone and record.

:local api "https://api.cloudflare.com/client/v4/zones"
:local header ("Content-Type: application/json,Authorization: Bearer " . {{token}})
:do {
  :if ([:len $address] = 0) do={
    :local page ([/tool/fetch url="https://www.cloudflare.com/cdn-cgi/trace" check-certificate=$check output=user as-value]->"data")
    :local rest [:pick $page ([:find $page "\nip="] + 4) [:len $page]]
    :set address [:pick $rest 0 [:find $rest "\n"]]
  }
  :if ([:typeof [:toip $address]] != "ip") do={ :error "the address is not known" }
  :if ($address != $known) do={
    # The zone is one of the names above the name.
    :local zone ""
    :local name $host
    :while (([:len $zone] = 0) && ([:typeof [:find $name "."]] = "num")) do={
      :local reply ([/tool/fetch url=($api . "\?name=" . $name) http-header-field=$header check-certificate=$check output=user as-value]->"data")
      :local found ([:deserialize from=json value=$reply]->"result")
      :if ([:len $found] > 0) do={
        :set zone ($found->0->"id")
      } else={
        :set name [:pick $name ([:find $name "."] + 1) [:len $name]]
      }
    }
    :if ([:len $zone] = 0) do={ :error "the token knows no zone of this name" }
    :local records ($api . "/" . $zone . "/dns_records")
    :local reply ([/tool/fetch url=($records . "\?type=A&name=" . $host) http-header-field=$header check-certificate=$check output=user as-value]->"data")
    :local found ([:deserialize from=json value=$reply]->"result")
    :if ([:len $found] > 0) do={
      :local data ("{\"content\":\"" . $address . "\"}")
      /tool/fetch url=($records . "/" . ($found->0->"id")) http-method=patch http-header-field=$header http-data=$data check-certificate=$check output=none
    } else={
      :local data ("{\"type\":\"A\",\"name\":\"" . $host . "\",\"content\":\"" . $address . "\",\"ttl\":60}")
      /tool/fetch url=$records http-method=post http-header-field=$header http-data=$data check-certificate=$check output=none
    }
    :log info ("DDNS: the provider of " . $host . " knows the address")
  }
} on-error={ :log error ("DDNS: the provider of " . $host . " cannot be told") }
