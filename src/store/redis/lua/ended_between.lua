-- KEYS: the ends of some shards. ARGV: since, until, the most of each shard.
-- Answers names and scores by turns.
local found = {}
for _, ends in ipairs(KEYS) do
  local page = redis.call('ZRANGEBYSCORE', ends, ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
  for _, each in ipairs(page) do found[#found + 1] = each end
end
return found
