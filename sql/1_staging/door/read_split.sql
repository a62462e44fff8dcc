SELECT * FROM door_split
UNION ALL BY NAME
SELECT * FROM door_unsplit
