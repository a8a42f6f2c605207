-- By whom a cluster was taken up: whoever finds it taken wants to know.
ALTER TABLE holds ADD COLUMN caller TEXT NOT NULL DEFAULT '';
