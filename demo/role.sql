-- The role that the sample shop belongs to, where clients log in with a password.
CREATE ROLE demo LOGIN PASSWORD 'demo';
