-- KEYS: device, devices, due. ARGV: user, id, at. Returns 1 when the user was known on it.
local user, id, at = unpack(ARGV)
if not is_known_device(KEYS[1]) then return 0 end
call('DEL', KEYS[1])
call('HSET', KEYS[1], 'first_seen_at', at, 'last_seen_at', at, 'standing', FORGOTTEN, 'due_at', at)
call('ZADD', KEYS[2], at, id)
call('ZADD', KEYS[3], at, id .. user)
return 1
