-- KEYS: device, open, over. ARGV: base, user, id, name or ''. Answers 1 when the user is known on it.
local base, user, device, name = unpack(ARGV)
if not is_known_device(KEYS[1]) then return 0 end

local function rename(key)
  if name == '' then call('HDEL', key, 'name') else call('HSET', key, 'name', name) end
end

rename(KEYS[1])
for _, index in ipairs({KEYS[2], KEYS[3]}) do
  for _, id in ipairs(call('ZRANGE', index, 0, -1)) do
    local record = base .. 's:' .. id .. ':' .. user
    if call('HGET', record, 'device_id') == device then rename(record) end
  end
end
return 1
