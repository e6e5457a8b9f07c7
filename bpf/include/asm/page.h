/* bcc names it; our program takes nothing from it. */
