# Tells a provider, which sees the address that the request comes from.

:if (([:len $address] = 0) || ($address != $known)) do={
  :do {
    :local reply [/tool/fetch url={{url}}{{login}} check-certificate=$check output=user as-value]
    :local text [:tostr ($reply->"data")]
    :if ($text ~ {{answer}}) do={
      :log info ("DDNS: the provider of " . $host . " knows the address")
    } else={
      :log error ("DDNS: the provider of " . $host . " says " . $text)
    }
  } on-error={ :log error ("DDNS: the provider of " . $host . " cannot be told") }
}
