-- KEYS: ends. ARGV: the score and the name of the last entry of the page before, or nothing twice; limit. Returns entries and
-- scores by turns, the latest first: an ending moves an entry down, where the scan has not been yet.
local score, name, limit = ARGV[1], ARGV[2], number(ARGV[3])
if score == '' then return call('ZREVRANGE', KEYS[1], 0, limit - 1, 'WITHSCORES') end

local stays = call('ZSCORE', KEYS[1], name)
if stays and number(stays) == number(score) then
  local rank = call('ZREVRANK', KEYS[1], name)
  return call('ZREVRANGE', KEYS[1], rank + 1, rank + limit, 'WITHSCORES')
end

-- It is gone, or has moved: the next one is the first that lies below its old place.
local page, offset = {}, 0
while #page < 2 * limit do
  local entries = call('ZREVRANGEBYSCORE', KEYS[1], score, '-inf', 'WITHSCORES', 'LIMIT', offset, limit)
  if #entries == 0 then break end
  offset = offset + limit
  for place = 1, #entries, 2 do
    local is_past = number(entries[place + 1]) < number(score) or is_less(entries[place], name)
    if is_past and #page < 2 * limit then
      page[#page + 1] = entries[place]
      page[#page + 1] = entries[place + 1]
    end
  end
end
return page
