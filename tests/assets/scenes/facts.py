"""What is written in the pictures. Invented, and the same as in the demonstration data."""

COMPANY = "东营市禾丰示例种业有限公司"
SHORT = "禾丰示例种业"
CREDIT_CODE = "91370505MA3CDEMX1D"
STREET = "示例路"
NUMBER = "88"
ADDRESS = "山东省东营市垦利区示例路88号"
