-- KEYS: devices. ARGV: base, user. Answers how many had been trusted.
local trusted = 0
for _, id in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
  trusted = trusted + call('HDEL', ARGV[1] .. 'device:' .. id .. ':' .. ARGV[2], 'trusted_until')
end
return trusted
