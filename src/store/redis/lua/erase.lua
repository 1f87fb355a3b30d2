-- KEYS: open, over, ends, devices. ARGV: base, user. Answers how many sessions there were.
local base, user = unpack(ARGV)
local erased = 0
for _, index in ipairs({KEYS[1], KEYS[2]}) do
  for _, id in ipairs(call('ZRANGE', index, 0, -1)) do
    erased = erased + call('DEL', base .. 's:' .. id .. ':' .. user)
    call('ZREM', KEYS[3], id .. user)
  end
end
for _, id in ipairs(call('ZRANGE', KEYS[4], 0, -1)) do
  call('DEL', base .. 'device:' .. id .. ':' .. user)
end
call('DEL', KEYS[1], KEYS[2], KEYS[4])
return erased
