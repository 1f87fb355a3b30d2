-- KEYS: record, open. ARGV: id. Answers the fields of the record.
if not is_known(KEYS[1], KEYS[2], ARGV[1]) then return {} end
return call('HGETALL', KEYS[1])
