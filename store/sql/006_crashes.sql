-- Claims of a row that began and did not come back. Finish, Retry and Release set it to 0: what is left when a server starts
-- counts how often one died while it worked on the row.
ALTER TABLE resources ADD COLUMN crashes BIGINT NOT NULL DEFAULT 0;
