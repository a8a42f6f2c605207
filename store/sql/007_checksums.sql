-- A checksum of what a row says, so that damage to the file which leaves it readable is noticed. NULL: not made yet; the row
-- is believed, which lets a repair by hand leave it out.
ALTER TABLE resources ADD COLUMN checksum BIGINT;
ALTER TABLE operations ADD COLUMN checksum BIGINT;
ALTER TABLE holds ADD COLUMN checksum BIGINT;
ALTER TABLE secrets ADD COLUMN checksum BIGINT;
ALTER TABLE residues ADD COLUMN checksum BIGINT;
ALTER TABLE applications ADD COLUMN checksum BIGINT;
