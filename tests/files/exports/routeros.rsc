# 2026-11-26 10:00:00 by RouterOS 7.16
# software id = AAAA-BBBB
/ppp secret
add comment="Cleo Marsh - 7 Reed Lane" name=cleo password=xxxx profile=Air20 service=pppoe
add comment="Tide Ltd" disabled=yes name=tide password=xxxx profile=Air50 service=pppoe
