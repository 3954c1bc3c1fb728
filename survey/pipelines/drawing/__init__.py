"""From a measured run to its report, plans and files for CAD, GIS and the phone.

``inputs`` gathers what the room ``report`` is handed, ``layers`` the lines, ``pictures`` the images; ``draw``
puts them in order.
"""
