-- Who may sign in. Of secrets there is only a slow hash in the body.
CREATE TABLE applications (
  id   TEXT PRIMARY KEY,                     -- lower case
  body TEXT NOT NULL                         -- JSON of the noun
);
