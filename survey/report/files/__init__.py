"""Files for other programs: CAD, mine planning, the phone, the spreadsheet."""
