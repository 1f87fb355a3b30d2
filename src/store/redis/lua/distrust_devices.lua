-- KEYS: devices. ARGV: base, user. Returns how many had been trusted.
local trusted = 0
for _, id in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
  local device = device_key(ARGV[1], ARGV[2], id)
  trusted = trusted + call('HDEL', device, 'trusted_until')
  call('HDEL', device, 'trust_hash')
end
return trusted
