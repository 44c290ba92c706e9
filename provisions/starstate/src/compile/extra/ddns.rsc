# What every script begins with: the name, the address if the router knows it, and whether servers can be checked.

:local host {{host}}
:local address ""
:do { :set address [:tostr [/ip/cloud/get public-address]] } on-error={}
:local known ""
:do { :set known [:tostr [:resolve $host]] } on-error={}
{{trust}}
