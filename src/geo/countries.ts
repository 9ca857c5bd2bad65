/** Countries: their continent, and a point that stands for them where a database has no coordinates. */

/** What is known of a country without a database. */
export interface Country {
  /** Two letters, as GeoNames and MaxMind draw the continents: Turkey and the Caucasus in AS, Cyprus in EU. */
  readonly continent: string;
  /** Degrees, to the half. */
  readonly latitude: number;
  readonly longitude: number;
}

/**
 * ISO 3166-1 alpha-2, and two more that databases use: XK for Kosovo, AN for the former Netherlands Antilles. The
 * point is the country's middle; for wide and unevenly settled countries (as AU, CA, EG, RU) the middle of its people,
 * because it is people who ask.
 */
const TABLE = `
AD EU  42.5    1.5  AE AS    24     54  AF AS    34     66  AG NA    17    -62
AI NA    18    -63  AL EU    41     20  AM AS    40     45  AN NA    12    -69
AO AF   -12   17.5  AQ AN   -80      0  AR SA -33.5  -61.5  AS OC -14.5 -170.5
AT EU  47.5     14  AU OC   -33  144.5  AW NA  12.5    -70  AX EU    60     20
AZ AS  40.5   47.5  BA EU    44     18  BB NA    13  -59.5  BD AS    24     90
BE EU  50.5    4.5  BF AF  12.5   -1.5  BG EU  42.5   25.5  BH AS    26   50.5
BI AF  -3.5     30  BJ AF   9.5    2.5  BL NA    18    -63  BM NA  32.5    -65
BN AS   4.5  114.5  BO SA   -17    -65  BQ NA    12  -68.5  BR SA -16.5    -45
BS NA    25  -77.5  BT AS  27.5   90.5  BV AN -54.5    3.5  BW AF -22.5     25
BY EU  53.5     28  BZ NA    17  -88.5  CA NA  48.5    -87  CC AS   -12     97
CD AF    -4   22.5  CF AF   6.5   20.5  CG AF    -3     15  CH EU    47      8
CI AF   7.5   -5.5  CK OC   -21   -160  CL SA -35.5  -71.5  CM AF   5.5     12
CN AS  32.5  113.5  CO SA   4.5  -74.5  CR NA    10    -84  CU NA    22  -79.5
CV AF    15  -23.5  CW NA    12    -69  CX OC -10.5  105.5  CY EU    35     33
CZ EU    50   15.5  DE EU    51     10  DJ AF  11.5   42.5  DK EU    56   10.5
DM NA  15.5  -61.5  DO NA    19  -70.5  DZ AF  35.5    3.5  EC SA  -1.5    -79
EE EU    59   25.5  EG AF    30     31  EH AF  24.5  -13.5  ER AF  15.5     39
ES EU    40   -3.5  ET AF     9     39  FI EU    62     25  FJ OC   -18    178
FK SA -51.5    -59  FM OC     7    158  FO EU    62     -7  FR EU  46.5    2.5
GA AF  -0.5   11.5  GB EU    53   -1.5  GD NA    12  -61.5  GE AS    42   43.5
GF SA   4.5  -52.5  GG EU  49.5   -2.5  GH AF     7     -1  GI EU    36   -5.5
GL NA    66    -51  GM AF  13.5  -15.5  GN AF  10.5    -11  GP NA    16  -61.5
GQ AF     2     10  GR EU  38.5     23  GS AN -54.5  -36.5  GT NA    15  -90.5
GU OC  13.5    145  GW AF    12    -15  GY SA     6  -58.5  HK AS  22.5    114
HM AN   -53   73.5  HN NA  14.5    -87  HR EU  45.5     16  HT NA    19  -72.5
HU EU    47   19.5  ID AS    -6  109.5  IE EU    53   -7.5  IL AS  31.5     35
IM EU    54   -4.5  IN AS    23     80  IO AS    -7     72  IQ AS    33     44
IR AS  33.5   52.5  IS EU  64.5  -20.5  IT EU    43     12  JE EU    49     -2
JM NA    18  -77.5  JO AS    32     36  JP AS    36    138  KE AF  -0.5     37
KG AS  41.5     74  KH AS    12    105  KI OC   1.5    173  KM AF   -12   43.5
KN NA  17.5  -62.5  KP AS  39.5  126.5  KR AS  36.5  127.5  KW AS  29.5     48
KY NA  19.5    -81  KZ AS  47.5     70  LA AS    18  103.5  LB AS    34     36
LC NA    14    -61  LI EU    47    9.5  LK AS   7.5   80.5  LR AF   6.5   -9.5
LS AF -29.5     28  LT EU    55     24  LU EU  49.5      6  LV EU    57   24.5
LY AF    32     15  MA AF    33   -6.5  MC EU  43.5    7.5  MD EU    47   28.5
ME EU  42.5   19.5  MF NA    18    -63  MG AF   -19     47  MH OC     7    171
MK EU  41.5   21.5  ML AF  13.5   -6.5  MM AS    20     96  MN AS    48    106
MO AS    22  113.5  MP OC    15  145.5  MQ NA  14.5    -61  MR AF    18  -13.5
MS NA  16.5    -62  MT EU    36   14.5  MU AF -20.5   57.5  MV AS     4   73.5
MW AF   -14     34  MX NA    21 -100.5  MY AS   3.5    103  MZ AF -17.5   36.5
NA AF   -21     17  NC OC -21.5  165.5  NE AF    14      7  NF OC   -29    168
NG AF     9    7.5  NI NA  12.5    -86  NL EU    52    5.5  NO EU    61    9.5
NP AS    28   84.5  NR OC  -0.5    167  NU OC   -19   -170  NZ OC   -40    175
OM AS  22.5   57.5  PA NA     9    -80  PE SA   -10    -76  PF OC -17.5 -149.5
PG OC    -6    146  PH AS    13    122  PK AS    31     72  PL EU    52   19.5
PM NA    47  -56.5  PN OC   -25   -130  PR NA    18  -66.5  PS AS    32     35
PT EU  39.5   -8.5  PW OC   7.5  134.5  PY SA   -25    -57  QA AS  25.5     51
RE AF   -21   55.5  RO EU    46     25  RS EU    44     21  RU EU  56.5     53
RW AF    -2     30  SA AS    24     44  SB OC    -9    160  SC AF  -4.5   55.5
SD AF  14.5     32  SE EU  59.5     16  SG AS   1.5    104  SH AF   -16   -5.5
SI EU    46     15  SJ EU    78     16  SK EU  48.5   19.5  SL AF   8.5    -12
SM EU    44   12.5  SN AF  14.5  -15.5  SO AF     4   45.5  SR SA   5.5  -55.5
SS AF   7.5   30.5  ST AF   0.5    6.5  SV NA  13.5    -89  SX NA    18    -63
SY AS    35     37  SZ AF -26.5   31.5  TC NA    22    -72  TD AF    12     17
TF AN -49.5   69.5  TG AF     8      1  TH AS  14.5    101  TJ AS  38.5     70
TK OC    -9   -172  TL OC    -9    126  TM AS  38.5   59.5  TN AF  35.5    9.5
TO OC   -21   -175  TR AS    39     34  TT NA  10.5  -61.5  TV OC    -8    179
TW AS    24    121  TZ AF    -6   35.5  UA EU    49   31.5  UG AF     1   32.5
UM OC  19.5  166.5  US NA  37.5  -92.5  UY SA   -34    -56  UZ AS  40.5     67
VA EU    42   12.5  VC NA    13    -61  VE SA   9.5    -68  VG NA  18.5  -64.5
VI NA  18.5    -65  VN AS    16    107  VU OC -16.5    168  WF OC -13.5   -176
WS OC   -14   -172  XK EU  42.5     21  YE AS  14.5     45  YT AF   -13     45
ZA AF -28.5     28  ZM AF   -14   28.5  ZW AF -18.5   30.5
`;

/** By code, upper case. */
export const COUNTRIES: ReadonlyMap<string, Country> = new Map(
  Array.from(
    TABLE.matchAll(/([A-Z]{2}) ([A-Z]{2}) +(\S+) +(\S+)/g),
    ([, code = "", continent = "", latitude, longitude]) => [
      code,
      { continent, latitude: Number(latitude), longitude: Number(longitude) },
    ],
  ),
);
