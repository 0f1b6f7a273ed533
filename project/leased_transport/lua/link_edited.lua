-- Note in a job's record that another job was made from it with edited arguments; keep the last 20.
-- KEYS job:<id>
-- ARGV id of the other job
-- returns 1, or 0 if the job is unknown
local status, ids = unpack(redis.call('HMGET', KEYS[1], 'status', 'edited_as'))
if not status then return 0 end
ids = (ids and ids .. ' ' or '') .. ARGV[1]
local _, breaks = ids:gsub(' ', '')
if breaks >= 20 then ids = ids:sub(ids:find(' ') + 1) end
redis.call('HSET', KEYS[1], 'edited_as', ids)
return 1
