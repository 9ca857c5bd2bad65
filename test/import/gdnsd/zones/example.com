@ SOA ns hostmaster ( 1 3600 600
        86400 60 ) ; what does not exist is remembered for a minute
@ NS ns
ns A 192.0.2.53
www 300/10 DYNA geoip!www
    MX 10 mail
mail 90M A 192.0.2.25
     AAAA 2001:db8::25
next 60/60 DYNA geoip!next
intra 60 DYNA geoip!intra
all 60 DYNA multifo!all
both 60 DYNA multifo!both
pair 60 DYNC simplefo!pair
split 60 DYNA weighted!split
one DYNA static!one
alias 60 DYNC static!alias
eu 60 DYNA geoip!www/eu
$ORIGIN apps.@Z
*.shop 300/10 DYNA geoip!www
notes TXT "a;b" "c"
