SELECT
    rowid + 1 AS _row,
    CAST(NULL AS VARCHAR) AS _broken,
    CAST(NULL AS VARCHAR) AS _text,
    *
FROM door_rows
