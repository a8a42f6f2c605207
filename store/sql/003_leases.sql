-- Leases are few and due rows may be many: the end of the next lease is found among the few.
CREATE INDEX resources_leased ON resources (lease_until) WHERE lease_owner <> '';
