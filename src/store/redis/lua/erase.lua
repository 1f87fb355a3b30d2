-- KEYS: open, over, ends, devices, due. ARGV: base, user, limit. Deletes at most so many records, devices first. Returns how
-- many sessions were among them, and 1 when there are more.
local base, user, left = ARGV[1], ARGV[2], number(ARGV[3])
local erased = 0

local ids = call('ZRANGE', KEYS[4], 0, left - 1)
for _, id in ipairs(ids) do
  call('DEL', device_key(base, user, id))
  call('ZREM', KEYS[4], id)
  call('ZREM', KEYS[5], id .. user)
end
left = left - #ids

for _, index in ipairs({KEYS[1], KEYS[2]}) do
  ids = left > 0 and call('ZRANGE', index, 0, left - 1) or {}
  for _, id in ipairs(ids) do
    erased = erased + call('DEL', base .. 's:' .. id .. ':' .. user)
    call('ZREM', index, id)
    call('ZREM', KEYS[3], id .. user)
  end
  left = left - #ids
end
return {erased, left <= 0 and 1 or 0}
