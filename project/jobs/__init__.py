"""What can be done with a job: submit it and look it up."""
