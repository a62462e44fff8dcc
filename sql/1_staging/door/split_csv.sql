{# Every value arrives as text; a line that cannot be split goes to door_rejects. #}
SELECT
    ROW_NUMBER() OVER () AS _row,
    CAST(NULL AS VARCHAR) AS _broken,
    CAST(NULL AS VARCHAR) AS _text,
    *
FROM READ_CSV(
    {{ file_path }},
    auto_detect = FALSE, header = TRUE, delim = {{ delimiter }}, quote = '"', escape = '"',
    columns = { {% for column in columns %}{{ column }}: 'VARCHAR'{% if not loop.last %}, {% endif %}{% endfor %} },
    store_rejects = TRUE,
    rejects_table = 'door_rejects', rejects_scan = 'door_rejects_scan'
)
