-- A block that is made or taken back meanwhile would decide on hidden rows that are not there any more. Blocks are rare.
lock table blocks in share mode
