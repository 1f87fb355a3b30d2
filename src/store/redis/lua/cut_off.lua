-- KEYS: cutoff. ARGV: issued until, lifetime.
local issued_until, lifetime = unpack(ARGV)
local before = call('GET', KEYS[1])
if before and number(issued_until) < number(before) then issued_until = before end
call('SET', KEYS[1], issued_until, 'KEEPTTL')
outlive(KEYS[1], lifetime)
return 1
