"""The programs beside fastproxy, one file each, in the order of the tables. nginx first: every ratio is to it."""
