"""Commands that take long: a frozen `Config` and one visible loop each."""
