"""What chainbrake costs, beside what does less: each file opens with the question it asks."""
