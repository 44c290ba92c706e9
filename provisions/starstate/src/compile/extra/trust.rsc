# Servers are checked where the router trusts the usual authorities.
:local check "no"
:local trust [/certificate/settings/get]
:if ([:tostr ($trust->"builtin-trust-store")] ~ "(all|default|fetch)") do={ :set check "yes" }
:if ([:tostr ($trust->"builtin-trust-anchors")] = "trusted") do={ :set check "yes" }
