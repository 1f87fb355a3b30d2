-- KEYS: device, devices. ARGV: id. Answers 1 when the user was known on it.
call('ZREM', KEYS[2], ARGV[1])
return call('DEL', KEYS[1])
