#!/bin/sh
# A wrapper as people write them: it forks the program and waits for it, deaf to a polite end.
trap '' TERM
"$@" &
wait
