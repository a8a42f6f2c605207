-- Servers that died one after the other while they worked on the row. A server counts at its start the leases that it finds; the
-- end of a claim sets it to 0.
ALTER TABLE resources ADD COLUMN crashes BIGINT NOT NULL DEFAULT 0;
