-- KEYS: devices. ARGV: base, user, after sight, after id, limit. Returns ids and fields, newest seen first.
local base, user, after_at, after_id, limit = unpack(ARGV)
after_at, limit = number(after_at), number(limit)
local STEP = 64

local page, offset = {}, 0
while #page < limit do
  local entries = call('ZREVRANGEBYSCORE', KEYS[1], ARGV[3], '-inf', 'WITHSCORES', 'LIMIT', offset, STEP)
  if #entries == 0 then break end
  offset = offset + STEP
  for place = 1, #entries, 2 do
    local id, seen = entries[place], tonumber(entries[place + 1])
    -- All ids are spelt alike, so that bytes are compared in any language.
    if #page < limit and (seen < after_at or id < after_id) then
      page[#page + 1] = {id, call('HGETALL', device_key(base, user, id))}
    end
  end
end
return page
