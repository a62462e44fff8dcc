SELECT
    referred.* REPLACE (
        CASE WHEN repeated._row IS NULL THEN _rule ELSE {{ rule }} END AS _rule,
        CASE WHEN repeated._row IS NULL THEN _left_out ELSE {{ left_out }} END AS _left_out
    )
FROM referred
LEFT JOIN repeated ON referred._file = repeated._file AND referred._row = repeated._row
