mod section;
