-- KEYS: ends. ARGV: base, before, limit. Answers how many records were deleted, and how many entries were looked at.
local due = call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])
local deleted = 0
for _, entry in ipairs(due) do
  local id, user = string.sub(entry, 1, 36), string.sub(entry, 37)
  deleted = deleted + call('UNLINK', ARGV[1] .. 's:' .. id .. ':' .. user)
  call('ZREM', ARGV[1] .. 'open:' .. user, id)
  call('ZREM', ARGV[1] .. 'over:' .. user, id)
  call('ZREM', KEYS[1], entry)
end
return {deleted, #due}
