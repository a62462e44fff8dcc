SELECT
    file_row_number + 1 AS _row,
    CAST(NULL AS VARCHAR) AS _broken,
    CAST(NULL AS VARCHAR) AS _text,
    * EXCLUDE (file_row_number)
FROM READ_PARQUET({{ file_path }}, file_row_number = TRUE, binary_as_string = TRUE)
