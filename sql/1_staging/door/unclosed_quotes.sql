{# Such a quote swallows every line to the end of the file, and only the start of them is kept. #}
SELECT MIN(line) AS line
FROM door_rejects
WHERE error_type = 'UNQUOTED VALUE'
