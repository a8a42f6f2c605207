-- What an operation went through, and when.
ALTER TABLE operations ADD COLUMN steps TEXT NOT NULL DEFAULT '';
CREATE INDEX operations_started ON operations (started_at);
