#!/bin/sh
# Takes the part of a container engine's command line where none is there: starts the program without any container, in
# a session of its own, as an engine would, so that killing this command leaves the program running.
places=$(dirname "$0")
case $1 in
version) exit 0 ;;
kill) exec env kill -KILL -- "-$(cat "$places/$2")" ;;
esac
shift
while :; do
  case $1 in
  --name=*) name=${1#--name=} ;;
  --*) ;;
  *) break ;;
  esac
  shift
done
shift
exec 3<&0
setsid "$@" <&3 &
program=$!
echo "$program" >"$places/$name"
# The shell's own kill knows no groups everywhere.
trap 'env kill -TERM -- "-$program"' TERM
while :; do
  wait "$program"
  code=$?
  kill -0 "$program" 2>/dev/null || exit "$code"
done
