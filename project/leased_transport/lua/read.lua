-- Read the record of a job, and the times that are not in it.
-- KEYS job:<id>
-- ARGV id
-- returns the record (field, value, ...), when the job is due and until when it is leased ('' = neither)
local queue = redis.call('HGET', KEYS[1], 'queue')
return {redis.call('HGETALL', KEYS[1]), score('delayed:', queue, ARGV[1]), score('leases:', queue, ARGV[1])}
