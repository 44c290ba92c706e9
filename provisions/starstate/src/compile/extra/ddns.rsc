# What every script begins with: the name, the address if the router knows it, and whether servers can be checked.

:local host {{host}}
:local address ""
:do { :set address [:tostr [/ip/cloud/get public-address]] } on-error={}
:local known ""
:do { :set known [:tostr [:resolve $host]] } on-error={}
:local check "no"
:local trust [/certificate/settings/get]
:if ([:tostr ($trust->"builtin-trust-store")] ~ "(all|default|fetch)") do={ :set check "yes" }
:if ([:tostr ($trust->"builtin-trust-anchors")] = "trusted") do={ :set check "yes" }
