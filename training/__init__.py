"""The workstation part of Tidegate: from recorded history to a bundle."""
