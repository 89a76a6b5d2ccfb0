"""Many runs of one question: each can be stopped and goes on where it was."""
