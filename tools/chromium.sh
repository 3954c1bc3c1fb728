#!/bin/sh
# Print the path of a Chromium (CHROMIUM names one), or fail. Some tests of the reports drive it.
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable chrome; do
    [ -n "$name" ] && command -v "$name" && exit 0
done
exit 1
