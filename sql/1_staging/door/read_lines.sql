SELECT
    ROW_NUMBER() OVER () AS _row,
    line
FROM READ_CSV(
    {{ file_path }},
    auto_detect = FALSE, header = FALSE, delim = '\0', quote = '', escape = '',
    columns = {line: 'VARCHAR'}
)
